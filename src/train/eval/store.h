// Results on disk: FOLDER/eval.json and the files beside it. eval.json is written last and names every other file with its digest, so that a folder whose
// writing was cut short, or whose files were changed, is not taken for a result. A result answers a later call with equal keys: nothing is evaluated then.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "train/eval/tests.h"

namespace liere {

constexpr int kEvaluationVersion = 1;  // of what the tests compute: raised when a result would change

/// What eval.json in `folder` holds if it is complete and was made with these keys.
std::optional<nlohmann::json> stored_result(const std::filesystem::path& folder, const nlohmann::json& keys);

/// Writes files, pictures and eval.json = `result` with "keys", "date" (UTC) and "files" (name -> XXH3); returns it. Throws Error(kFailure) naming the path.
nlohmann::json store_result(const std::filesystem::path& folder, nlohmann::json result, const nlohmann::json& keys, const TestOutput& output);

/// The names in "files" that are missing or have another digest.
std::vector<std::string> damaged_files(const std::filesystem::path& folder, const nlohmann::json& result);

}  // namespace liere
