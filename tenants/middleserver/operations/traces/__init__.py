"""The course of one inquiry at the three parties, looked up on an operator's word."""
