//! Every domain-separation label of the program, in one table.
