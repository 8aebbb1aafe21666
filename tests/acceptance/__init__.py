"""The contract from outside: the command line in a process of its own, and what a customer would see afterwards."""
