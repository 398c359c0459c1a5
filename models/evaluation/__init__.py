"""What a model does on films that it has not seen: phantoms of other seeds and chains, and real hands."""
