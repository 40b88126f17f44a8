"""nablac.frontend"""
