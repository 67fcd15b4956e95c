"""Quality: a share of what people and programs decided is judged again by somebody who does not know the answer."""
