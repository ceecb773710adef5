"""What is said: the messages, graphs and states of callboard, pure and without I/O."""
