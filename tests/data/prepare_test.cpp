// The official archives, in place and unpacked: tar, the devkit's class table, the index and what makes it stale.
#include "data/prepare/imagenet.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "core/files.h"
#include "core/signals.h"
#include "data/archives.h"
#include "data/check_pictures.h"
#include "data/datasets/class_table.h"
#include "data/datasets/imagenet.h"
#include "data/datasets/picture_index.h"
#include "data/inspect.h"
#include "data/md5.h"
#include "data/prepare/archive_sum.h"
#include "data/prepare/tar.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

std::unique_ptr<Dataset> imagenet(const fs::path& root, Split split) {
  ImagenetConfig config;
  config.root = root.string();
  return make_imagenet(config, split);
}

PrepareImagenetOptions options(const fs::path& from, const fs::path& root = {}) {
  return {.from = from.string(), .root = root.string(), .any_version = true};
}

std::vector<TarMember> list(const std::string& tar) {
  return list_tar([&](uint64_t offset, char* bytes, size_t size) { std::memcpy(bytes, tar.data() + offset, size); }, 0, tar.size(), "made.tar");
}

std::string pixels(const Dataset& dataset, int64_t index) {
  const Frames frames = dataset.open(index)->decode({});
  return std::string(reinterpret_cast<const char*>(frames.u8()), frames.size_bytes());
}

void make_list(PictureIndex& index) {
  index.list.archive = "a.tar";
  index.list.class_names = {"a", "b"};
  index.archive_bytes = 1000;
  index.list.add(0, "a/1.JPEG", 512, 100);
  index.list.add(1, "b/2.JPEG", 900, 100);
}

/// The exit code of `body` in a process of its own, to which a stop signal has come before.
template <class Body>
int stopped_code(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    install_stop_signals();
    std::raise(SIGTERM);
    try {
      body();
    } catch (const Error& error) {
      ::_exit(static_cast<int>(error.code()));
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The index's text without its digest, with a change.
std::string changed(const std::string& from, const std::string& to) {
  PictureIndex index;
  make_list(index);
  std::string text = format_picture_index(index);
  text.replace(text.find(from), from.size(), to);
  text.resize(text.rfind("digest\t"));
  return text;
}

}  // namespace

TEST_CASE("MD5 of pieces equals that of the whole, also when it is taken up from a state") {
  std::string bytes(100000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  CHECK(md5("abc") == "900150983cd24fb0d6963f7d28e17f72");
  for (const size_t cut : {size_t(0), size_t(64), size_t(64000), size_t(99968)}) {
    Md5 first;
    first.add_blocks(std::string_view(bytes).substr(0, cut));
    CHECK(Md5(first.state(), first.bytes()).finish(std::string_view(bytes).substr(cut)) == md5(bytes));
  }
}

TEST_CASE("tar: long names, pax, folders passed over, and damage is named with its byte") {
  const std::string long_name = std::string(150, 'x') + "/y.JPEG";
  const std::string tar = tar_member("./a.JPEG", "abc") + tar_member("folder/", "", '5') + tar_member(long_name, "de") + tar_member("pax", "20 path=p/q/rr.JPEG\n", 'x') +
                          tar_member("short", std::string(600, 'z')) + tar_member("link", "", '2') + tar_end();
  const auto members = list(tar);
  REQUIRE(members.size() == 3);
  CHECK(members[0].name == "a.JPEG");
  CHECK(tar.substr(members[0].offset, members[0].size) == "abc");
  CHECK(members[1].name == long_name);
  CHECK(members[2].name == "p/q/rr.JPEG");
  CHECK(members[2].size == 600);
  CHECK_THAT(data_error([&] { list(tar.substr(0, tar.size() - 1024)); }), has("made.tar, byte") && has("two blocks of zeros"));
  CHECK_THAT(data_error([&] { list(tar.substr(0, 700)); }), has("byte 700: the archive ends"));
  CHECK_THAT(data_error([&] { list(tar_member("a", std::string(5000, 'x')).substr(0, 2000)); }), has("5000 bytes") && has("cut"));
  std::string flipped = tar;
  flipped[3] ^= 1;
  CHECK_THAT(data_error([&] { list(flipped); }), has("byte 0") && has("checksum"));
  for (const char* bad : {"../a.JPEG", "/etc/passwd", "a/../../b"}) CHECK_THAT(data_error([&] { list(tar_member(bad, "x") + tar_end()); }), has("path within the archive"));
  CHECK_THAT(data_error([&] { list(tar_member("pax", "99 path=p\n", 'x') + tar_end()); }), has("pax"));
}

TEST_CASE("meta.mat: leaves in the order of their IDs, plain and deflated, and damage is refused") {
  const std::vector<std::string> wnids = {"n02119789", "n02100735", "n02110185"};
  CHECK(parse_meta_mat(meta_mat(wnids, true), "m") == wnids);
  const std::string plain = meta_mat(wnids, false);
  CHECK(parse_meta_mat(plain, "m") == wnids);
  int refused = 0;
  for (size_t size = 0; size + 8 < plain.size(); size += 16) refused += data_error([&] { parse_meta_mat(plain.substr(0, size), "m"); }) != "no error";
  CHECK(refused == static_cast<int>((plain.size() - 8 + 15) / 16));
  CHECK(parse_class_table("2 b\n# c\n1\ta words\n", "t") == std::vector<std::string>{"a", "b"});
  CHECK_THAT(data_error([] { parse_class_table("1 a\n3 b\n", "t"); }), has("1, 2, ..., found 3"));
  CHECK_THAT(data_error([] { parse_class_table("1 a\n1 b\n", "t"); }), has("each ID once"));
  CHECK_THAT(data_error([] { parse_class_table("one a\n", "t"); }), has("line 1"));
  CHECK_THAT(data_error([] { parse_class_table("1 ../a\n", "t"); }), has("class folder"));
}

TEST_CASE("the archives in place and unpacked give the same pictures and labels, in the same order") {
  const TemporaryFolder from, placed, unpacked;
  make_archives(from.path(), 3);
  prepare_imagenet(options(from.path(), placed.path()));
  auto with_unpack = options(from.path(), unpacked.path());
  with_unpack.unpack = true;
  prepare_imagenet(with_unpack);
  prepare_imagenet(with_unpack);  // what is there stays
  CHECK(fs::exists(unpacked.path() / "train/n02/n02_1.JPEG"));
  CHECK_FALSE(fs::exists(unpacked.path() / "imagenet-train.index"));
  CHECK_FALSE(fs::exists(placed.path() / "train"));
  for (const Split split : {Split::kTrain, Split::kTest}) {
    const auto a = imagenet(placed.path(), split), b = imagenet(unpacked.path(), split);
    REQUIRE(a->size() == (split == Split::kTrain ? 6 : 3));
    REQUIRE(b->size() == a->size());
    CHECK(a->class_names() == std::vector<std::string>{"n02", "n10"});
    CHECK(b->class_names() == a->class_names());
    // Unpacked validation pictures lie class by class, those of the archive in the order of their numbers.
    std::map<std::string, std::pair<int64_t, std::string>> first, second;
    const auto file = [](const std::string& name) { return name.substr(name.find_last_of("/:") + 1); };
    for (int64_t i = 0; i < a->size(); ++i) {
      first[file(a->open(i)->info().name)] = {a->label(i), pixels(*a, i)};
      second[file(b->open(i)->info().name)] = {b->label(i), pixels(*b, i)};
      if (split == Split::kTrain) CHECK(file(a->open(i)->info().name) == file(b->open(i)->info().name));
    }
    CHECK(first.size() == static_cast<size_t>(a->size()));
    CHECK(first == second);
  }
  const auto train = imagenet(placed.path(), Split::kTrain), val = imagenet(placed.path(), Split::kTest);
  CHECK(train->open(0)->info().name == "ILSVRC2012_img_train.tar:n02/n02_1.JPEG");
  CHECK_THAT(train->describe(), has("indexed archive ILSVRC2012_img_train.tar") && has("MD5 not compared when it was indexed"));
  CHECK(val->label(0) == 0);  // ID 2 is n02
  CHECK(val->label(1) == 1);
}

TEST_CASE("archives that are missing, others than published, cut, or changed behind their index") {
  const TemporaryFolder from, root;
  make_archives(from.path());
  const auto error = [&](PrepareImagenetOptions changed) { return data_error([&] { prepare_imagenet(changed); }); };
  auto strict = options(from.path(), root.path());
  strict.any_version = false;
  CHECK_THAT(error(strict), has("ILSVRC2012_devkit_t12.tar.gz has the MD5 " + md5(read_file(from.path() / "ILSVRC2012_devkit_t12.tar.gz"))) && has("fa75699e90414af021442c21a62c3abf") && has("--any-version"));
  CHECK_THAT(error(options(root.path())), has("not there: ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_val.tar, ILSVRC2012_img_train.tar") && has("fetch-imagenet.sh"));

  prepare_imagenet(options(from.path(), root.path()));
  const auto train_tar = from.path() / "ILSVRC2012_img_train.tar";
  const std::string whole = read_file(train_tar);
  put(train_tar, whole + "more");
  CHECK_THAT(data_error([&] { imagenet(root.path(), Split::kTrain); }), has("imagenet-train.index") && has("when it was indexed") && has("prepare imagenet again"));
  put(train_tar, whole);  // the size is right, the time is not
  CHECK_THAT(data_error([&] { imagenet(root.path(), Split::kTrain); }), has("written to since"));
  fs::remove(train_tar);
  CHECK_THAT(data_error([&] { imagenet(root.path(), Split::kTrain); }), has("ILSVRC2012_img_train.tar") && has("--from"));
  CHECK(imagenet(root.path(), Split::kTest)->size() == 3);
  fs::remove(root.path() / "imagenet-train.index");
  CHECK_THAT(data_error([&] { imagenet(root.path(), Split::kTrain); }), has("expected imagenet-train.index"));

  put(train_tar, whole.substr(0, whole.size() / 2));
  CHECK_THAT(error(options(from.path(), root.path())), has("ILSVRC2012_img_train.tar") && has("cut"));
  put(train_tar, tar_member("n02.tar", tar_member("n02_1.JPEG", picture(0)) + tar_end()) + tar_end());
  CHECK_THAT(error(options(from.path(), root.path())), has("n10") && has("do not belong together"));
  put(train_tar, whole);
  put(from.path() / "ILSVRC2012_img_val.tar", tar_member("ILSVRC2012_val_00000001.JPEG", picture(0)) + tar_end());
  CHECK_THAT(error(options(from.path(), root.path())), has("3 labels, found 1"));
  put(from.path() / "ILSVRC2012_devkit_t12.tar.gz", read_file(from.path() / "ILSVRC2012_devkit_t12.tar.gz").substr(0, 200));
  CHECK_THAT(error(options(from.path(), root.path())), has("ILSVRC2012_devkit_t12.tar.gz") && has("cut"));
}

TEST_CASE("an archive that is cut while it is used: the sample names its picture") {
  const TemporaryFolder from;
  make_archives(from.path());
  prepare_imagenet(options(from.path()));
  const auto val = imagenet(from.path(), Split::kTest);
  fs::resize_file(from.path() / "ILSVRC2012_img_val.tar", 600);
  CHECK_THAT(data_error([&] { val->open(2); }), has("ILSVRC2012_img_val.tar:ILSVRC2012_val_00000003.JPEG") && has("it was cut"));
}

TEST_CASE("an index: what was written is read, and another content than its digest's is refused") {
  PictureIndex index;
  make_list(index);
  const std::string text = format_picture_index(index);
  const auto read = parse_picture_index(text, "i");
  CHECK(format_picture_index(read) == text);
  REQUIRE(read.list.pictures.size() == 2);
  CHECK(read.list.name(read.list.pictures[1]) == "b/2.JPEG");
  for (size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] ^= 4;
    REQUIRE(data_error([&] { parse_picture_index(flipped, "i"); }) != "no error");
    REQUIRE(data_error([&] { parse_picture_index(text.substr(0, i), "i"); }) != "no error");
  }
  const auto error = [](const std::string& from, const std::string& to) {
    return data_error([&] { parse_picture_index(sign_picture_index(changed(from, to)), "i"); });
  };
  CHECK(error("a/1.JPEG", "a/3.JPEG") == "no error");
  CHECK_THAT(error("index 1", "index 2"), has("i, line 1") && has("index 1"));
  CHECK_THAT(error("picture\t1\t", "picture\t2\t"), has("line 9") && has("up to 1"));
  CHECK_THAT(error("900\t100", "901\t100"), has("ends behind"));
  CHECK_THAT(error("900\t100", "900\t-1"), has("number"));
  CHECK_THAT(error("b/2.JPEG", "../2.JPEG"), has("within the archive"));
  CHECK_THAT(error("b/2.JPEG", "a/1.JPEG"), has("twice"));
  CHECK_THAT(error("class\tb", "class\ta"), has("byte order"));
  CHECK_THAT(error("class\tb", "class\tb/c"), has("name of a class"));
  CHECK_THAT(error("picture\t0", "sample\t0"), has("line 8"));
}

TEST_CASE("every picture is decoded: the bad ones are listed in order, and a state is taken up") {
  const TemporaryFolder root;
  make_class_folders(root.path(), {"a", "b", "c"});
  put(root.path() / "train/a/a_2.JPEG", picture(1).substr(0, 200));
  put(root.path() / "train/c/c_1.JPEG", "");
  FolderConfig config;
  config.root = root.path().string();
  const auto train = make_folder(config, Split::kTrain);
  const auto state = root.path() / "check.state";
  for (const int workers : {1, 3}) {
    const auto bad = check_pictures(*train, state, workers);
    REQUIRE(bad.size() == 2);
    CHECK(bad[0].index == 1);
    CHECK_THAT(bad[0].reason, has("train/a/a_2.JPEG"));
    CHECK(bad[1].index == 4);
    CHECK_THAT(bad[1].reason, has("train/c/c_1.JPEG"));
    CHECK_THAT(read_file(state), has("\"done\":6"));
    fs::remove(state);
  }
  const std::string description = train->describe();
  put(state, R"({"description": ")" + description + R"(", "done": 2, "bad": [{"index": 1, "reason": "from before"}]})");
  const auto resumed = check_pictures(*train, state, 2);
  REQUIRE(resumed.size() == 2);
  CHECK(resumed[0].reason == "from before");
  put(state, R"({"description": "another set", "done": 6, "bad": []})");
  CHECK(check_pictures(*train, state, 2).size() == 2);

  const auto json = root.path() / "report.json";
  CHECK_THAT(data_error([&] { inspect(config, {.verify = true, .json = json.string()}); }), has("problems listed above: 2"));
  CHECK_THAT(read_file(json), has("a_2.JPEG") && has("\"decoded\": 6"));
  fs::remove(state);
  CHECK(std::distance(fs::directory_iterator(root.path()), fs::directory_iterator()) == 3);  // train, val, report.json: no state is left
  put(root.path() / "train/a/a_2.JPEG", picture(1));
  put(root.path() / "train/c/c_1.JPEG", picture(4));
  CHECK(data_error([&] { inspect(config, {.verify = true}); }) == "no error");
  const auto statistics = compute_statistics(*train, 100);
  CHECK(statistics.heights == std::vector<int64_t>{8, 10, 12});
  CHECK(statistics.widths == std::vector<int64_t>{10, 10, 11});
  CHECK(compute_statistics(*train, 3).pixel_choice == "evenly spread");
}

TEST_CASE("a stop signal ends a check and a sum with code 75, and the next call goes on from the state") {
  const TemporaryFolder root;
  make_class_folders(root.path(), {"a", "b"});
  FolderConfig config;
  config.root = root.path().string();
  const auto train = make_folder(config, Split::kTrain);
  const auto state = root.path() / "check.state";
  put(state, R"({"description": ")" + train->describe() + R"(", "done": 3, "bad": [{"index": 0, "reason": "from before"}]})");
  CHECK(stopped_code([&] { check_pictures(*train, state, 2); }) == 75);
  CHECK_THAT(read_file(state), has("\"done\":3") && has("from before"));
  CHECK(check_pictures(*train, state, 2).size() == 1);

  const auto archive = root.path() / "a.tar", sums = root.path() / "sums";
  std::string bytes((size_t(8) << 20) + 777, 'q');
  bytes[9000000 % bytes.size()] = 'r';
  put(archive, bytes);
  CHECK(stopped_code([&] { archive_md5(archive, sums); }) == 75);
  CHECK_THAT(read_file(sums), has("\"bytes\": 8388608") && !has("md5"));
  CHECK(archive_md5(archive, sums) == md5(bytes));

  make_archives(root.path());
  CHECK(stopped_code([&] { prepare_imagenet(options(root.path(), root.path() / "placed")); }) == 75);
  CHECK_FALSE(fs::exists(root.path() / "placed/imagenet-train.index"));
}

TEST_CASE("the MD5 of an archive is taken up where it stopped, and not again when it is known") {
  const TemporaryFolder folder;
  const auto archive = folder.path() / "a.tar", state = folder.path() / "state";
  std::string bytes((size_t(8) << 20) + 12345, 'x');
  for (size_t i = 0; i < bytes.size(); i += 97) bytes[i] = static_cast<char>(i >> 4);
  put(archive, bytes);
  CHECK(archive_md5(archive, state) == md5(bytes));
  CHECK_THAT(read_file(state), has(md5(bytes)));
  CHECK(archive_md5(archive, state) == md5(bytes));
  put(state, "no JSON");
  CHECK(archive_md5(archive, state) == md5(bytes));
  bytes[5] = 'y';
  put(archive, bytes);
  CHECK(archive_md5(archive, state) == md5(bytes));
}
