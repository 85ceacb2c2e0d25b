"README, tests and proofs from the notebooks; not shipped."
