"""The way of a job: from a complete upload over snapshot, queue, image and container to its delivery."""
