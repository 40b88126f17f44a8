"""nablac.report"""
