"""Each strategy against its definition, written down once more the slow way."""
