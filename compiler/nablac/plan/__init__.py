"""The second language: schedules of loop nests over buffers, with no mathematics left to decide."""
