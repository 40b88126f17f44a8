"""sweep: one spec under many settings: what is set, the plan of runs, running them, what came out."""
