//! Lines of the sources: what counts as code, what is unsafe, what is documented.
