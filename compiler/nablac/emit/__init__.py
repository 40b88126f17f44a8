"""nablac.emit"""
