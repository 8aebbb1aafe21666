"""The documentation is true: links resolve, generated parts are fresh, and what it shows has really run."""
