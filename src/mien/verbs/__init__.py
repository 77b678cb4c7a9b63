"""One public function a verb: `mien.train`, `mien.predict` and the rest. Settings in, a result out."""
