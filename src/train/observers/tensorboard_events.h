// RUN/tensorboard/events.out.tfevents.SECONDS.HOST.PID: the figures of metrics.jsonl as TensorBoard's scalars, and the configuration as text.
// Each start of a run writes a file of its own, because a TensorBoard that is open never reads a file that became shorter. A resumed run cuts the
// files of earlier starts back to the checkpoint, removes those begun after it, and says in the new one where it goes on: no step shows twice.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "train/observers/append_file.h"

namespace liere {

class TensorboardEvents {
 public:
  /// `offsets`: bytes to keep of files by their names relative to `run`; `step`: steps done so far; `config`: shown as text. Throws CheckpointError.
  TensorboardEvents(const std::filesystem::path& run, const std::map<std::string, int64_t>& offsets, int64_t step, const std::string& config);

  /// An object of metrics.jsonl (train/observers/reports.h). Figures that it lacks, and null ones, are left out.
  void add(const nlohmann::json& event);

  AppendFile& file() { return *file_; }
  /// Sizes of this file and of those of earlier starts.
  std::map<std::string, int64_t> offsets() const;

 private:
  std::unique_ptr<AppendFile> file_;
  std::string name_;                       // relative to the run folder
  std::map<std::string, int64_t> earlier_;
  std::set<std::string> described_;        // tags whose description is in this file
};

}  // namespace liere
