// liere-data prepare rsna | volumes: DICOM files in a folder or a zip become a prepared root - the same one whatever the packing, order, workers and
// interruptions - every broken file has its code in findings.json, and no identifier is written or printed.
#ifdef LIERE_DICOM
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "data/dicom/rejection.h"
#include "data/prepare/volumes.h"
#include "data/prepare/volumes_report.h"
#include "data/volumes/volume_cache.h"
#include "made_series.h"
#include "made_zips.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace fs = std::filesystem;

namespace {

MadeFiles rsna_set(int patients) {
  auto files = made_set(patients, "rsna/stage_2_train/");
  files["rsna/stage_2_train.csv"] = made_rsna_table(patients);
  files["rsna/stage_2_test/ID_777.dcm"] = made_series_slice({0, 6, false}, 0);
  return files;
}

std::string zip_of(const MadeFiles& files) {
  std::vector<MadeMember> members;
  for (const auto& [path, bytes] : files) members.push_back({path, bytes, members.size() % 2 == 0, members.size() % 3 == 0});
  return made_zip(members);
}

/// stdout and stderr while it lives.
class Captured {
 public:
  explicit Captured(const fs::path& file) : path_(file) {
    std::fflush(nullptr);
    const int to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    for (int i = 0; i < 2; ++i) saved_[i] = ::dup(i + 1), ::dup2(to, i + 1);
    ::close(to);
  }
  ~Captured() {
    std::fflush(nullptr);
    for (int i = 0; i < 2; ++i) ::dup2(saved_[i], i + 1), ::close(saved_[i]);
  }

 private:
  fs::path path_;
  int saved_[2];
};

struct Place {
  TemporaryFolder folder;
  PrepareVolumesOptions options;
  fs::path from = folder.path() / "from", output = folder.path() / "output.txt";

  explicit Place(const MadeFiles& files, bool rsna = false) {
    write_set(from, files);
    write_file_atomically(folder.path() / "salt", std::string(32, 's'));
    options.rsna = rsna;
    options.from = from.string(), options.root = (folder.path() / "root").string(), options.salt_file = (folder.path() / "salt").string();
    options.size = "4,8,8", options.workers = 2;
  }
  fs::path root() const { return options.root; }
  void run() { run(options); }
  void run(const PrepareVolumesOptions& other) {
    const Captured captured(output);
    prepare_volumes(other);
  }
  /// What it throws: its sentence, which is printed too.
  std::string refusal(const PrepareVolumesOptions& other) {
    try {
      run(other);
    } catch (const Error& error) {
      std::ofstream(output, std::ios::app) << error.what() << "\n";
      return error.what();
    }
    return "";
  }
  std::string refusal() { return refusal(options); }
};

/// What experiments and people read.
std::map<std::string, std::string> results(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file() && entry.path().filename() != "prepare.journal" && entry.path().filename() != "salt")
      files[entry.path().lexically_relative(root).string()] = read_file(entry.path());
  return files;
}

bool tells_who(const std::string& text) {
  for (const char* identifier : {"Secret", "9.8.7.", "9.8.6.", "ID_1", "ID_7"})
    if (text.find(identifier) != std::string::npos) return true;
  return false;
}

void check_silence(const Place& place) {
  for (const auto& entry : fs::recursive_directory_iterator(place.root())) {
    INFO(entry.path().filename().string());
    CHECK_FALSE(tells_who(entry.path().filename().string()));
    if (entry.is_regular_file()) CHECK_FALSE(tells_who(read_file(entry.path())));
  }
  REQUIRE(fs::exists(place.output));
  CHECK_FALSE(tells_who(read_file(place.output)));
}

nlohmann::json findings_of(const fs::path& root) { return nlohmann::json::parse(read_file(root / "findings.json")); }

}  // namespace

TEST_CASE("RSNA's folder becomes labelled volumes, split by patients", "[prepare][dicom]") {
  Place place(rsna_set(20), true);
  place.run();
  const auto manifest = read_volume_manifest(place.root());
  CHECK(manifest.name == "RSNA 2019");
  CHECK(manifest.shape == FrameShape{4, 8, 8, 1});
  REQUIRE(manifest.label_names.size() == 6);
  REQUIRE(manifest.entries.size() == 20);
  std::map<VolumeSplit, int> parts;
  int positive = 0;
  for (const auto& entry : manifest.entries) {
    ++parts[entry.split];
    positive += entry.labels.at(0) > 0;
    CHECK(entry.labels.at(5) == entry.labels.at(0));
    CHECK(entry.slices == 6);
    const CachedVolume volume(place.root() / entry.file, manifest.shape, manifest.settings_digest, entry.digest);
    CHECK(volume.values()[0] >= -1024);
    CHECK(volume.values()[0] <= 3071);
  }
  CHECK(positive == 10);
  CHECK(parts.size() == 3);
  int64_t sheets = 0;
  for (const auto& entry : fs::directory_iterator(place.root() / "sheets")) sheets += entry.path().extension() == ".png";
  CHECK(sheets == 8);
  const auto report = findings_of(place.root());
  CHECK(report.at("files") == 120);
  CHECK(report.at("series_used") == 20);
  CHECK(report.at("left_out") == nlohmann::json({{"test_without_labels", 1}}));
  const std::string text = read_file(place.output);
  CHECK_THAT(text, has("20 of 20 series of 120 files"));
  CHECK_THAT(text, has("50.0 %") && has("25.0 %") && has("validation"));  // of the studies, of the slices
  check_silence(place);
}

TEST_CASE("a zip and its folder, one worker and four, other paths: the same prepared set", "[prepare][dicom]") {
  const auto files = rsna_set(8);
  Place folder(files, true), zip({}, true), single(files, true);
  write_file_atomically(zip.folder.path() / "rsna.zip", zip_of(files));
  zip.options.from = (zip.folder.path() / "rsna.zip").string();
  single.options.workers = 1;
  for (Place* place : {&folder, &zip, &single}) place->options.validation = place->options.test = 0.25, place->run();
  const auto expected = results(folder.root());
  REQUIRE(expected.contains("manifest.json"));
  CHECK(results(zip.root()) == expected);
  CHECK(results(single.root()) == expected);
  check_silence(zip);
  // Other folders and names: everything but the names of files in findings.
  MadeFiles moved;
  int number = 900;
  for (const auto& [path, bytes] : made_set(8, "")) moved["rsna/stage_2_train/" + std::to_string(number--) + "/image"] = bytes;
  moved["rsna/stage_2_train.csv"] = files.at("rsna/stage_2_train.csv");
  Place other(moved, true);
  other.options.validation = other.options.test = 0.25;
  other.run();
  CHECK(read_file(other.root() / "manifest.json") == expected.at("manifest.json"));
}

TEST_CASE("a command that was cut short goes on, and ends as if it had not been", "[prepare][dicom]") {
  auto files = rsna_set(6);
  files["rsna/stage_2_train/broken.dcm"] = "no picture";
  Place place(files, true);
  place.options.validation = place.options.test = 0.2;
  place.run();
  const auto expected = results(place.root());
  const std::string journal = read_file(place.root() / "prepare.journal");
  for (const size_t tenth : {0, 3, 5, 8, 9, 10}) {
    INFO(tenth);
    const size_t cut = journal.size() * tenth / 10;
    write_file_atomically(place.root() / "prepare.journal", journal.substr(0, cut) + (tenth % 2 ? "0123456789abcdefS {\"id\"" : ""));
    for (const char* name : {"manifest.json", "findings.json"}) fs::remove(place.root() / name);
    place.run();
    CHECK(results(place.root()) == expected);
    CHECK(read_file(place.root() / "prepare.journal").size() == journal.size());
  }
  // What is done is not done again; what is gone or cut is.
  const auto volume = place.root() / read_volume_manifest(place.root()).entries.front().file;
  const auto before = fs::last_write_time(volume);
  place.run();
  CHECK(fs::last_write_time(volume) == before);
  fs::resize_file(volume, fs::file_size(volume) - 1);
  place.run();
  CHECK(results(place.root()) == expected);
  CHECK(read_file(place.root() / "prepare.journal").size() > journal.size());
  // A slice that was added changes its series alone.
  write_file_atomically(place.from / "rsna/stage_2_train/again.dcm", made_series_slice({0, 6, false}, 0));
  place.run();
  CHECK(findings_of(place.root()).at("left_out").at("duplicate_instance") == 1);
  CHECK(read_file(place.root() / "manifest.json") == expected.at("manifest.json"));
}

TEST_CASE("a root is of one cache, one table and one split, others are refused with the remedy", "[prepare][dicom]") {
  Place place(rsna_set(8), true);
  place.options.validation = place.options.test = 0.25;
  place.run();
  const auto expected = results(place.root());
  auto other = place.options;
  other.size = "4,8,9";
  CHECK_THAT(place.refusal(other), has("other settings of the cache") && has("another --root"));
  fs::rename(place.root() / "prepare.journal", place.folder.path() / "kept");
  CHECK_THAT(place.refusal(other), has("other settings of the cache"));  // by the manifest alone
  fs::rename(place.folder.path() / "kept", place.root() / "prepare.journal");
  other = place.options;
  other.seed = 1;
  CHECK_THAT(place.refusal(other), has("shares of the split") && has("remove manifest.json"));
  CHECK(results(place.root()) == expected);
  fs::remove(place.root() / "manifest.json");
  place.run(other);
  CHECK(read_volume_manifest(place.root()).seed == 1);
  std::ofstream(place.from / "rsna/stage_2_train.csv", std::ios::app) << made_rsna_table(1).substr(9);
  CHECK_THAT(place.refusal(other), has("other labels"));
  const VolumeJournal held(place.folder.path(), {"a", "b", "c"});
  CHECK_THROWS_WITH(VolumeJournal(place.folder.path(), {"a", "b", "c"}), has("another process"));
}

TEST_CASE("options of prepare volumes that mean nothing are refused before anything is read", "[prepare][dicom]") {
  Place place(made_set(1, ""));
  const auto refused = [&](const auto& change) {
    auto options = place.options;
    change(options);
    return place.refusal(options);
  };
  for (const char* size : {"4,8", "4,8,8,8", "0,8,8", "4,8,x", "", "4,8,5000", "99999999999999999999,1,1"})
    CHECK_THAT(refused([&](auto& o) { o.size = size; }), has("--size"));
  for (const char* spacing : {"iso", "iso:", "iso:0", "iso:nan", "iso:-1", "cube", "iso:1mm"})
    CHECK_THAT(refused([&](auto& o) { o.spacing = spacing; }), has("--spacing"));
  CHECK_THAT(refused([](auto& o) { o.validation = 0.5, o.test = 0.5; }), has("--validation and --test"));
  CHECK_THAT(refused([](auto& o) { o.folds = 0; }), has("--folds"));
  CHECK_THAT(refused([](auto& o) { o.workers = -1; }), has("--workers"));
  CHECK_THAT(refused([](auto& o) { o.from += "x"; }), has("which is not there"));
  CHECK_THAT(refused([](auto& o) { o.rsna = true; }), has("stage_2_train.csv"));
  CHECK_THAT(refused([](auto& o) { o.size = "4096,4096,4096"; }), has("free; name a larger disk"));
  CHECK_FALSE(fs::exists(place.root() / "manifest.json"));
  write_file_atomically(place.from / "one.zip", "PK");
  CHECK_THAT(refused([&](auto& o) { o.from = (place.from / "one.zip").string(); }), has("expected a zip archive"));
}

TEST_CASE("without labels every volume is in the test part, and with them series without a row are left out", "[prepare][dicom]") {
  MadeFiles files;
  for (int p = 0; p < 7; ++p)
    for (const auto& [path, bytes] : made_set(p + 1, made_patient(p) + "/"))
      if (path.find(made_image(p, 0).substr(0, 7)) != std::string::npos) files[path] = bytes;
  REQUIRE(files.size() == 42);
  Place unlabelled(files), labelled(files);
  unlabelled.run();
  auto manifest = read_volume_manifest(unlabelled.root());
  CHECK(manifest.name == "root");
  CHECK(manifest.label_names.empty());
  REQUIRE(manifest.entries.size() == 7);
  for (const auto& entry : manifest.entries) CHECK((entry.labels.empty() && entry.split == VolumeSplit::kTest));
  check_silence(unlabelled);

  std::string table = "study,bleeding\n";
  for (int p = 0; p < 6; ++p) table += made_study(p) + (p % 2 ? ",1\n" : ",0\n");
  write_file_atomically(labelled.from / "labels.csv", table);
  labelled.options.labels = (labelled.from / "labels.csv").string();
  labelled.options.validation = 0, labelled.options.test = 0.34, labelled.options.folds = 2;
  labelled.run();
  manifest = read_volume_manifest(labelled.root());
  CHECK(manifest.label_names == std::vector<std::string>{"bleeding"});
  CHECK(manifest.entries.size() == 6);
  CHECK(manifest.folds == 2);
  const auto report = findings_of(labelled.root());
  CHECK(report.at("files") == 42);  // the table is no file of the set
  CHECK(report.at("left_out") == nlohmann::json({{"unlabelled", 1}}));
  check_silence(labelled);
}

TEST_CASE("equal volumes of several patients are counted, a file can be found by its hash", "[prepare][dicom]") {
  MadeFiles files;
  for (int p = 0; p < 3; ++p)
    for (int s = 0; s < 6; ++s)
      files[made_patient(p) + "/" + std::to_string(s)] =
          made_series_slice({p, 6, false}, s, with_pixels(std::vector<Uint16>(256, p < 2 ? 1000 : 1100)));
  files["Secret^Patient0/odd"] = "no picture";
  Place place(files);
  place.run();
  const auto report = findings_of(place.root());
  CHECK(report.at("noted") == nlohmann::json({{"equal_volumes", 1}}));
  REQUIRE(report.at("findings").size() == 2);
  const auto where = report.at("findings")[1].at("where").get<std::string>();
  CHECK(report.at("findings")[1].at("code") == "not_dicom");
  check_silence(place);
  auto options = place.options;
  options.show_file = where.substr(5);
  fs::remove(place.output);
  place.run(options);
  CHECK(read_file(place.output) == "Secret^Patient0/odd\n");
  options.show_file = "0000000000000000";
  CHECK_THAT(place.refusal(options), has("No file is called"));
  options.salt_file = "", options.root = (place.folder.path() / "elsewhere").string();
  CHECK_THAT(place.refusal(options), has("was not prepared"));
  CHECK_FALSE(fs::exists(options.root));
}
#endif
