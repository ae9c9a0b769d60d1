// manifest.json of prepared volumes: reads back what was written and refuses everything else.
#include <xxhash.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"
#include "data/volumes/manifest.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using liere::test::has;
using liere::test::TemporaryFolder;

namespace {

std::string digest_of(const std::string& text) {
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digest;
}

VolumeManifest made() {
  VolumeManifest manifest;
  manifest.name = "made";
  manifest.label_names = {"any", "subdural"};
  manifest.shape = {4, 8, 8, 1};
  manifest.settings = R"({"slices":4})";
  manifest.settings_digest = digest_of(manifest.settings);
  manifest.folds = 2;
  manifest.seed = 7;
  for (int i = 0; i < 4; ++i) {
    const std::string id = "000000000000000" + std::to_string(i);
    manifest.entries.push_back({id,
                                "aaaaaaaaaaaaaaa" + std::to_string(i / 2),
                                i < 2 ? VolumeSplit::kTrain : VolumeSplit::kTest,
                                i < 2 ? 1 : 0,
                                {1.0f, 0.0f},
                                30,
                                {5, 0.4, 0.45},
                                "volumes/" + id,
                                "00000000000000ff"});
  }
  manifest.entries[3].labels.clear();
  return manifest;
}

std::string refused(const std::function<void(VolumeManifest&)>& change) {
  TemporaryFolder folder;
  auto manifest = made();
  change(manifest);
  try {
    write_volume_manifest(folder.path(), manifest);
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("manifest: reads back what was written", "[volumes]") {
  TemporaryFolder folder;
  const auto manifest = made();
  write_volume_manifest(folder.path(), manifest);
  const auto back = read_volume_manifest(folder.path());
  CHECK((back.name == "made" && back.label_names == manifest.label_names && back.shape == manifest.shape && back.settings == manifest.settings &&
         back.folds == 2 && back.seed == 7));
  REQUIRE(back.entries.size() == 4);
  const auto& entry = back.entries[1];
  CHECK((entry.id == manifest.entries[1].id && entry.patient == "aaaaaaaaaaaaaaa0" && entry.split == VolumeSplit::kTrain && entry.fold == 1 &&
         entry.labels == std::vector<float>{1, 0} && entry.slices == 30));
  CHECK((entry.spacing_mm == std::array<double, 3>{5, 0.4, 0.45} && entry.file == manifest.entries[1].file && entry.digest == "00000000000000ff"));
  CHECK(back.entries[3].labels.empty());
  const auto text = read_file(folder.path() / "manifest.json");
  write_volume_manifest(folder.path(), back);
  CHECK(read_file(folder.path() / "manifest.json") == text);
}

TEST_CASE("manifest: a changed one is refused, whatever was changed", "[volumes]") {
  TemporaryFolder folder;
  write_volume_manifest(folder.path(), made());
  const auto path = folder.path() / "manifest.json";
  const auto text = read_file(path);
  const auto document = nlohmann::ordered_json::parse(text);
  int refusals = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto changed = text;
    changed[i] = changed[i] == '1' ? '2' : '1';
    try {  // a change of blanks alone changes nothing
      if (nlohmann::ordered_json::parse(changed) == document) continue;
    } catch (const nlohmann::json::exception&) {
    }
    write_file_atomically(path, changed);
    REQUIRE_THROWS_AS(read_volume_manifest(folder.path()), DataError);
    ++refusals;
  }
  CHECK(refusals > 500);
  for (size_t size = 0; size + 2 < text.size(); size += 11) {
    write_file_atomically(path, text.substr(0, size));
    REQUIRE_THROWS_AS(read_volume_manifest(folder.path()), DataError);
  }
  TemporaryFolder empty;
  CHECK_THROWS_WITH(read_volume_manifest(empty.path()), has("liere-data prepare rsna --from"));
}

TEST_CASE("manifest: entries that contradict the header or each other are refused", "[volumes]") {
  CHECK(refused([](auto&) {}) == "accepted");
  CHECK_THAT(refused([](auto& m) { m.entries[1].split = VolumeSplit::kTest; }), has("in two splits or folds"));
  CHECK_THAT(refused([](auto& m) { m.entries[1].fold = 0; }), has("in two splits or folds"));
  CHECK_THAT(refused([](auto& m) { m.entries[1].id = m.entries[0].id; }), has("twice"));
  CHECK_THAT(refused([](auto& m) { std::swap(m.entries[0], m.entries[1]); }), has("out of order"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].labels = {1}; }), has("another number of labels"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].labels[0] = 0.5f; }), has("not 0 or 1"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].fold = m.entries[1].fold = 2; }), has("fold out of range"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].file = "../secret"; }), has("outside of its folder"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].file = "/etc/passwd"; }), has("outside of its folder"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].patient = "Secret^Patient"; }), has("16 hexadecimal digits"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].spacing_mm[0] = 0; }), has("spacing that is not positive"));
  CHECK_THAT(refused([](auto& m) { m.settings += " "; }), has("settings that do not have their digest"));
  CHECK_THAT(refused([](auto& m) { m.shape.frames = 0; }), has("without voxels"));
  CHECK_THAT(refused([](auto& m) { m.shape.frames = m.shape.height = -4; }), has("without voxels"));
  CHECK_THAT(refused([](auto& m) { m.entries[1].file = m.entries[0].file; }), has("has the file of entry 0000000000000001 twice"));
  CHECK_THAT(refused([](auto& m) { m.entries[0].spacing_mm[2] = INFINITY; }), has("spacing that is not positive"));
  CHECK_THAT(refused([](auto& m) { m.name = "fol\xff"; }), has("is not UTF-8"));
}

TEST_CASE("manifest: names that look like its own marks, values nested deep", "[volumes]") {
  TemporaryFolder folder;
  auto manifest = made();
  manifest.name = "@";
  manifest.label_names = {"@", "\"@\""};
  write_volume_manifest(folder.path(), manifest);
  const auto back = read_volume_manifest(folder.path());
  CHECK((back.name == "@" && back.label_names == manifest.label_names && back.entries.size() == 4));
  const std::string deep(200'000, '[');
  write_file_atomically(folder.path() / "manifest.json",
                        R"({"format": "liere-volumes 1", "digest": "", "a": )" + deep + std::string(deep.size(), ']') + "}");
  CHECK_THROWS_WITH(read_volume_manifest(folder.path()), has("deep"));
}
