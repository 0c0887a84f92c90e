"""Each strategy compared with a slow implementation of its definition."""
