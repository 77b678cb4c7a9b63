"""From pictures to tables of faces and emotions, and to drawn copies."""
