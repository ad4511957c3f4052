"""The states of the data, as types; nothing happens here."""
