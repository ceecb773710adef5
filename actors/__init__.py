"""Who says it: every task, socket, file, thread and process of callboard, as actors on trio."""
