"""What the report computes at a point: values, numerical gradients, the expansion along the gradient."""
