//! HCTR2-AES-256: a length-preserving cipher in which each bit of the output depends on each bit of the input.
