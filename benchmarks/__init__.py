"""What the suite costs, against bare Bandersnatch on the same lab: `make bench`."""
