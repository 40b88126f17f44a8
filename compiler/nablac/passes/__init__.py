"""nablac.passes"""
