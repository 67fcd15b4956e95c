"""Candidates: another text model beside the live one, before it replaces it."""
