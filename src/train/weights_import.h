// Starting from the weights of another file: fine-tuning and transfer. Only weights enter (no optimiser state, no step count); what does not fit is
// adapted where that has a meaning (the position table is interpolated to the grid, a head for other classes starts anew) and listed otherwise.
// Files with timm's names and with those of the LieRE authors' release are read too (foreign_names.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/vit.h"

namespace liere {

struct InitConfig {
  std::optional<std::string> checkpoint;
  std::optional<std::string> digest;
};
template <class V> void fields(V& v, InitConfig& c) {
  v("checkpoint", c.checkpoint, "start from these weights: a run folder, a checkpoint or another safetensors file (default: initial values drawn from the seed)", not_identity());
  v("digest", c.digest, "XXH3 of that file: filled in when the run starts, and part of what the run is");
}

/// XXH3-64 of the file that init.checkpoint names, as hexadecimal digits. Throws CheckpointError when it cannot be read, and when init.digest says another.
std::string checked_digest(const InitConfig& init);

/// What an import did, tensor by tensor; every list names the model's or the file's tensors.
struct WeightsImport {
  std::string file;
  std::string program;                    // whose names the file has; "" ours
  std::vector<std::string> loaded;        // bit for bit (but for the dtype)
  std::vector<std::string> interpolated;  // position_embedding, to another grid
  std::vector<std::string> fresh;         // "NAME: why": kept the initial value
  std::vector<std::string> unused;        // "NAME: why": in the file, not in the model
  std::vector<std::string> remarks;       // what makes another function of the same weights
};

/// Fills the model from `checkpoint`: a run folder (its newest checkpoint), a checkpoint or any safetensors file with this model's tensor names, timm's or the
/// release's. CheckpointError when nothing at all matches, and when of another program's file no block does.
WeightsImport import_weights(VitImpl& model, const std::string& checkpoint);

/// A few lines for the log: counts, and every tensor that did not simply load.
std::string describe_import(const WeightsImport& import);

}  // namespace liere
