"""Appeals: somebody asks for another look at a decision, and another person than the decider takes it."""
