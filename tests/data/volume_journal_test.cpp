// The journal of a preparation: what was added is there again, and nothing that a kill or a disk made of it is believed.
#include "data/prepare/volume_journal.h"

#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

const PrepareSettings kSettings{"{\"slices\":4}", "none", "{\"seed\":0}"};

PreparedSeries made(const std::string& id, bool used) {
  PreparedSeries series;
  series.entry.id = id, series.files = "fedcba9876543210", series.used = used;
  series.entry.patient = "0011223344556677", series.entry.labels = {1, 0}, series.entry.slices = 36, series.entry.spacing_mm = {5, 0.1, 1.0 / 3};
  series.entry.file = "volumes/" + id + ".hu", series.entry.digest = "8899aabbccddeeff";
  series.study = "7766554433221100", series.positive_slices = 11, series.orientation = {1, 0, 0, 0, 0.9936, -0.1132}, series.cached_bytes = 12345;
  series.findings = {{{"gap", "file 0123456789abcdef", "The slice lies \"far\"\nabove.", false}, 3}};
  return series;
}

void write_some(const std::filesystem::path& root) {
  VolumeJournal journal(root, kSettings);
  journal.add_file("aaaaaaaaaaaaaaaa", "1111111111111111");
  journal.add_file("bbbbbbbbbbbbbbbb", "2222222222222222");
  journal.add_series(made("1111111111111111", true));
  journal.add_series(made("2222222222222222", false));
}

/// Without waiting for the disk.
void put(const std::filesystem::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }

/// How much of write_some is there; what is there is right.
int known(const VolumeJournal& journal) {
  int count = 0;
  for (const char digit : {'1', '2'}) {
    const auto* id = journal.series_of(std::string(16, digit == '1' ? 'a' : 'b'));
    if (id) CHECK(*id == std::string(16, digit));
    count += id != nullptr;
    const auto* series = journal.series(std::string(16, digit));
    if (!series) continue;
    ++count;
    const auto expected = made(std::string(16, digit), digit == '1');
    CHECK(series->used == expected.used);
    CHECK(series->files == expected.files);
    CHECK(series->entry.patient == expected.entry.patient);
    CHECK(series->entry.labels == expected.entry.labels);
    CHECK(series->entry.slices == expected.entry.slices);
    CHECK(series->entry.spacing_mm == expected.entry.spacing_mm);
    CHECK(series->entry.file == expected.entry.file);
    CHECK(series->entry.digest == expected.entry.digest);
    CHECK(series->study == expected.study);
    CHECK(series->positive_slices == expected.positive_slices);
    CHECK(series->orientation == expected.orientation);
    CHECK(series->cached_bytes == expected.cached_bytes);
    REQUIRE(series->findings.size() == 1);
    CHECK(series->findings[0].finding.sentence == expected.findings[0].finding.sentence);
    CHECK(series->findings[0].count == 3);
  }
  return count;
}

}  // namespace

TEST_CASE("a journal keeps what was added, and what comes later counts", "[prepare]") {
  const TemporaryFolder folder;
  write_some(folder.path());
  {
    VolumeJournal journal(folder.path(), kSettings);
    CHECK(known(journal) == 4);
    CHECK(journal.series("3333333333333333") == nullptr);
    auto again = made("2222222222222222", true);
    journal.add_series(again);
  }
  const VolumeJournal journal(folder.path(), kSettings);
  CHECK(journal.series("2222222222222222")->used);
}

TEST_CASE("a journal that was cut anywhere keeps its whole lines and goes on", "[prepare]") {
  const TemporaryFolder folder;
  write_some(folder.path());
  const auto path = folder.path() / "prepare.journal";
  const std::string whole = read_file(path);
  int before = 0;
  for (size_t length = 0; length <= whole.size(); ++length) {
    put(path, whole.substr(0, length));
    {
      VolumeJournal journal(folder.path(), kSettings);
      const int now = known(journal);
      CHECK(now >= before);
      before = now;
      journal.add_file("cccccccccccccccc", "3333333333333333");
    }
    const VolumeJournal journal(folder.path(), kSettings);
    CHECK(known(journal) == before);
    REQUIRE(journal.series_of("cccccccccccccccc") != nullptr);
  }
  CHECK(before == 4);
}

TEST_CASE("a journal with a changed byte is believed up to the line with it", "[prepare]") {
  const TemporaryFolder folder;
  write_some(folder.path());
  const auto path = folder.path() / "prepare.journal";
  const std::string whole = read_file(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    put(path, changed);
    const VolumeJournal journal(folder.path(), kSettings);
    CHECK(known(journal) < 4);
  }
}

TEST_CASE("a journal is of one process at a time and of one set of settings", "[prepare]") {
  const TemporaryFolder folder;
  write_some(folder.path());
  auto other = kSettings;
  other.cache = "{\"slices\":8}";
  CHECK_THROWS_WITH(VolumeJournal(folder.path(), other), has("other settings of the cache") && has("another --root"));
  other = kSettings, other.labels = "table";
  CHECK_THROWS_WITH(VolumeJournal(folder.path(), other), has("other labels"));
  other = kSettings, other.split = "{\"seed\":1}";
  {
    const VolumeJournal journal(folder.path(), other);  // no manifest yet: nobody has used the split
    CHECK(known(journal) == 4);
    CHECK_THROWS_WITH(VolumeJournal(folder.path(), other), has("another process"));
  }
  write_file_atomically(folder.path() / "manifest.json", "{}");
  CHECK_THROWS_WITH(VolumeJournal(folder.path(), kSettings), has("shares of the split") && has("remove manifest.json"));
  CHECK_THROWS_AS(VolumeJournal(folder.path() / "none", kSettings), Error);
}
