"""Mutation testing: which changes of the code do its tests notice?"""
