"""Run a model: sessions, the card, preprocessing, the classifier, quantisation. The only importer of onnxruntime."""
