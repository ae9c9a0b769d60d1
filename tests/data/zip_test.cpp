// Zip archives that are read in place: what each member holds, and what is refused - by number, never by name.
#include "data/prepare/zip.h"

#include <cstring>

#include "core/check.h"
#include "core/files.h"
#include "made_zips.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

ReadAt reader_of(const std::string& bytes) {
  return [&bytes](uint64_t offset, char* to, size_t count) {
    REQUIRE(offset <= bytes.size());
    REQUIRE(count <= bytes.size() - offset);  // nothing behind the end is ever asked for
    std::memcpy(to, bytes.data() + offset, count);
  };
}

std::vector<std::pair<std::string, std::string>> contents(const std::string& bytes, const ZipLimits& limits = {}) {
  const ReadAt read = reader_of(bytes);
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& member : list_zip(read, bytes.size(), "a.zip", limits))
    all.emplace_back(member.name, read_zip_member(read, member, "a.zip", limits));
  return all;
}

const std::string kText = std::string(100, 'x') + "some text that is packed " + std::string(5000, 'y') + "\n";

std::string with(std::string bytes, size_t at, const std::string& piece) { return bytes.replace(at, piece.size(), piece); }

}  // namespace

TEST_CASE("a zip's members are what was packed: stored, deflated, with data descriptors, zip64, empty", "[zip]") {
  const std::vector<MadeMember> members = {{"folder/", ""},
                                           {"folder/stored", "plain"},
                                           {"folder/deflated", kText, true},
                                           {"described", kText, true, true},
                                           {"large", kText, true, false, true},
                                           {"nothing", ""},
                                           {"link", "folder/stored", false, false, false, 0, 0xffff, -1, -1, 0120777u << 16}};
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"folder/stored", "plain"}, {"folder/deflated", kText}, {"described", kText}, {"large", kText}, {"nothing", ""}};
  CHECK(contents(made_zip(members)) == expected);
  CHECK(contents(made_zip(members, true)) == expected);
  CHECK(contents(made_zip(members, false, "a comment with PK\5\6 in it")) == expected);
  CHECK(contents(made_zip({})).empty());
  CHECK(contents("PK\5\6" + std::string(18, '\0')).empty());
}

TEST_CASE("a zip member's first bytes are read without the rest", "[zip]") {
  const auto archive = made_zip({{"stored", kText}, {"deflated", kText, true}, {"described", kText, true, true}});
  const ReadAt read = reader_of(archive);
  for (const auto& member : list_zip(read, archive.size(), "a.zip"))
    for (const size_t count : {size_t(0), size_t(1), size_t(50), size_t(4000), kText.size() - 1, kText.size(), kText.size() + 10})
      CHECK(read_zip_member_head(read, member, "a.zip", count) == kText.substr(0, count));
  // All of it is still held against its CRC-32, a part is not.
  auto damaged = archive;
  damaged[damaged.find("yyyy") + 4000] = 'z';
  const ReadAt read_damaged = reader_of(damaged);
  const auto stored = list_zip(read_damaged, damaged.size(), "a.zip")[0];
  CHECK(read_zip_member_head(read_damaged, stored, "a.zip", 100) == kText.substr(0, 100));
  CHECK_THROWS_WITH(read_zip_member_head(read_damaged, stored, "a.zip", kText.size()), has("CRC-32"));
}

TEST_CASE("a zip on the disk is read by several readers of one handle", "[zip]") {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "a.zip", made_zip({{"a", "1"}, {"b", kText, true}}));
  const ZipArchive archive(folder.path() / "a.zip");
  REQUIRE(archive.members().size() == 2);
  CHECK(archive.read(archive.members()[1]) == kText);
  CHECK(archive.read(archive.members()[0]) == "1");
  CHECK_THROWS_WITH(ZipArchive(folder.path() / "none.zip"), has("cannot read"));
}

TEST_CASE("a zip that was cut at any byte is refused, and never read behind its end", "[zip]") {
  const std::string whole = made_zip({{"one", "plain"}, {"two", kText.substr(80, 60), true, true}}, true, "comment");
  for (size_t length = 0; length < whole.size(); ++length) CHECK_THROWS_AS(contents(whole.substr(0, length)), DataError);
  CHECK_THROWS_WITH(contents("<html>no archive</html>"), has("expected a zip archive"));
  CHECK_THROWS_WITH(contents(std::string(70000, 'P')), has("expected a zip archive"));
}

TEST_CASE("sizes that lie are refused before or while a member is read", "[zip]") {
  const auto text = [&](int64_t size, int64_t packed, bool deflate = true) {
    return made_zip({{"Secret^Name", kText, deflate, false, false, 0, 0xffff, size, packed}});
  };
  const auto size = static_cast<int64_t>(kText.size());
  CHECK_THROWS_WITH(contents(text(size - 1, -1)), has("member 1") && has("not of the 5125 bytes"));
  CHECK_THROWS_WITH(contents(text(size + 1, -1)), has("not of the 5127 bytes"));
  CHECK_THROWS_WITH(contents(text(0, -1)), has("not of the 0 bytes"));
  CHECK_THROWS_WITH(contents(text(size, 20)), has("damaged"));
  CHECK_THROWS_WITH(contents(text(size, 1'000'000)), has("behind the place where the directory begins"));
  CHECK_THROWS_WITH(contents(text(size + 3, -1, false)), has("cannot hold"));
  CHECK_THROWS_WITH(contents(text(int64_t(1) << 31, -1)), has("expected at most"));
  CHECK_THROWS_WITH(contents(text(int64_t(1) << 29, -1)), has("cannot hold"));
}

TEST_CASE("a bomb is not unpacked: ratio, limits of a member and of the directory, members over each other", "[zip]") {
  const std::string zeros(2'000'000, '\0');
  CHECK(contents(made_zip({{"zeros", zeros, true}}))[0].second == zeros);  // an empty slice may be packed this well
  CHECK_THROWS_WITH(contents(made_zip({{"zeros", zeros, true}}), {.ratio = 100}), has("cannot hold"));
  CHECK_THROWS_WITH(contents(made_zip({{"zeros", zeros, true}}), {.member_bytes = 1'999'999}), has("expected at most 1999999"));
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1"}, {"b", "2"}, {"c", "3"}}), {.members = 2}), has("3 members"));
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1"}}), {.directory_bytes = 40}), has("expected at most"));
  // The second member's place is that of the first.
  std::string shared = made_zip({{"aa", kText, true}, {"bb", kText, true}});
  const size_t second = shared.rfind(std::string("PK\1\2"));
  CHECK_THROWS_WITH(contents(with(shared, second + 42, little(0, 4))), has("overlaps"));
  // It claims the other's bytes as its own.
  const size_t first = shared.find(std::string("PK\1\2"));
  CHECK_THROWS_WITH(contents(with(shared, first + 20, little(deflated(kText).size() + 1, 4))), has("overlaps"));
}

TEST_CASE("what no reader should guess about is refused: encryption, names twice, other methods, parts, contradictions", "[zip]") {
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1"}, {"Secret^Name", "2", false, false, false, 1}})), has("member 2 is encrypted") && !has("Secret"));
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1", false, false, false, 1 << 13}})), has("encrypted"));
  CHECK_THROWS_WITH(contents(made_zip({{"same", "1"}, {"other", "2"}, {"same", "3"}})),
                    has("member 3 has the name of another member") && !has("same"));
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1", false, false, false, 0, 14}})), has("compression method 14"));
  CHECK_THROWS_WITH(contents(made_zip({{"a", "1", false, false, false, 0, 0xffff, -1, -1, 0, "b"}})), has("differs from the archive's directory"));
  const std::string whole = made_zip({{"a", kText, true}, {"b", "2"}});
  const size_t end = whole.size() - 22;
  CHECK_THROWS_WITH(contents(with(whole, end + 4, little(1, 2))), has("one part of several"));
  CHECK_THROWS_WITH(contents(with(whole, end + 8, little(9, 2) + little(9, 2))), has("too short"));
  CHECK_THROWS_WITH(contents(with(whole, end + 8, little(1, 2) + little(1, 2))), has("more than the members"));
  CHECK_THROWS_WITH(contents(with(whole, end + 16, little(0xfffffff0, 4))), has("behind the place"));
  CHECK_THROWS_WITH(contents(with(whole, end + 16, little(3, 4))), has("damaged"));
  CHECK_THROWS_WITH(contents(with(whole, 45, "\xff\xff\xff")), has("damaged"));
  const size_t first = whole.find(std::string("PK\1\2"));
  CHECK_THROWS_WITH(contents(with(whole, first + 16, little(1, 4))), has("CRC-32"));
  CHECK_THROWS_WITH(contents(with(whole, first + 20, little(0xffffffff, 4))), has("behind the place where the directory begins"));
  // Data that the deflated stream does not need.
  CHECK_THROWS_WITH(contents(with(whole, 28, little(3, 2))), has("behind the place where the next one begins"));
}
