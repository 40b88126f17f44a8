"""What ``inspect`` shows: the content of a report (``build``), and its printers."""
