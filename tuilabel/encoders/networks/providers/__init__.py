"""One module for each provider of networks; see `tuilabel.encoders.networks.network.Provider`."""
