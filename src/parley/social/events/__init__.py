"""Events: past-tense facts, recorded in the transaction of the rows that they are about."""
