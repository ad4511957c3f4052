"""What any server needs: sockets, the process, its clock and logs, private files; nothing of ours."""
