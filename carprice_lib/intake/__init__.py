"What the columns of an unknown file of listings hold, as a proposal for the catalogue."
