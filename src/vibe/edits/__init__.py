"""Corrections of a motion by hand: their file, and what they change in the evidence of each person."""
