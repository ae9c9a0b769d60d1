// UCF101's lists, what is on disk, the index of frame counts and the cache of frames.
#include "data/datasets/ucf101.h"

#include <cstring>
#include <fstream>

#include "core/check.h"
#include "core/files.h"
#include "data/check_pictures.h"
#include "data/datasets/frame_cache.h"
#include "data/datasets/video_files.h"
#include "data/datasets/video_index.h"
#include "data/datasets/video_lists.h"
#include "data/made_videos.h"
#include "data/prepare/ucf101.h"
#include "support/catch.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;
namespace fs = std::filesystem;

namespace {

const std::map<int64_t, std::string> kClasses = {{1, "Hammering"}, {2, "HammerThrow"}, {7, "YoYo"}};

std::vector<ListedVideo> train_list(const std::string& text) { return parse_video_list(text, kClasses, true, "trainlist01.txt"); }
std::vector<ListedVideo> test_list(const std::string& text) { return parse_video_list(text, kClasses, false, "testlist01.txt"); }

}  // namespace

TEST_CASE("ucf101 lists: CRLF, a byte order mark, blank lines and a missing last line end change nothing") {
  const auto expected = train_list("YoYo/v_YoYo_g01_c01.avi 7\nHammering/v_Hammering_g02_c01.avi 1\n");
  REQUIRE(expected.size() == 2);
  CHECK(expected[0].folder == "YoYo");
  CHECK(expected[0].file == "v_YoYo_g01_c01.avi");
  CHECK(expected[1].class_number == 1);
  for (const std::string text : {"\xef\xbb\xbfYoYo/v_YoYo_g01_c01.avi 7\r\n\r\nHammering/v_Hammering_g02_c01.avi 1",
                                 "YoYo/v_YoYo_g01_c01.avi 7 \nHammering/v_Hammering_g02_c01.avi 1\t\r\n\n"}) {
    const auto found = train_list(text);
    REQUIRE(found.size() == 2);
    CHECK((found[0].file == expected[0].file && found[1].file == expected[1].file));
  }
  CHECK(parse_class_numbers("1 Hammering\r\n2 HammerThrow\r\n7 YoYo\r\n", "classInd.txt") == kClasses);
  CHECK(test_list("YoYo/v_YoYo_g01_c01.avi\r\n")[0].class_number == 7);
  CHECK(test_list("YoYo/a b.mp4\n")[0].file == "a b.mp4");
}

TEST_CASE("ucf101 lists: whatever contradicts itself is refused with file and line") {
  struct Bad {
    std::string text, says;
  };
  const Bad trains[] = {{"", "found none"},
                        {"YoYo/a.avi\n", "expected"},
                        {"YoYo/a.avi 1\n", "expected the label 7"},
                        {"YoYo/a.avi 0\n", "found \"0\""},
                        {"YoYo/a.avi 102\n", "found \"102\""},
                        {"YoYo/a.avi -7\n", "found \"-7\""},
                        {"YoYo/a.avi seven\n", "found \"seven\""},
                        {"YoYo/a.avi 7\nYoYo/a.avi 7\n", "first in line 1"},
                        {"Juggling/a.avi 7\n", "not in classInd.txt"},
                        {"a.avi 7\n", "CLASS/VIDEO"},
                        {"/YoYo/a.avi 7\n", "CLASS/VIDEO"},
                        {"../YoYo/a.avi 7\n", "CLASS/VIDEO"},
                        {"YoYo/../a.avi 7\n", "CLASS/VIDEO"},
                        {"YoYo/.. 7\n", "CLASS/VIDEO"},
                        {std::string("YoYo/a\0.avi 7\n", 14), "CLASS/VIDEO"},
                        {"YoYo/" + std::string(5000, 'a') + ".avi 7\n", "CLASS/VIDEO"}};
  for (const auto& bad : trains) {
    CAPTURE(bad.text.substr(0, 60));
    CHECK_THROWS_WITH(train_list(bad.text), has("trainlist01.txt") && has(bad.says));
  }
  for (const std::string text :
       {"", "1\n", "0 YoYo\n", "x YoYo\n", "1 YoYo\n1 Other\n", "1 YoYo\n2 YoYo\n", "1 ../YoYo\n", "1 a/b\n", "1 Yo Yo\n", "-1 YoYo\n"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_class_numbers(text, "classInd.txt"), DataError);
  }
}

TEST_CASE("ucf101 lists: a video or a group of a class in both lists is refused, groups of other classes are not") {
  const auto train = train_list("YoYo/v_YoYo_g08_c01.avi 7\nHammering/v_Hammering_g01_c01.avi 1\nYoYo/own.mp4 7\n");
  const auto check = [&](const std::string& test) { refuse_overlap(train, test_list(test), "train.txt", "test.txt"); };
  CHECK_NOTHROW(check("YoYo/v_YoYo_g01_c01.avi\nYoYo/other.mp4\n"));
  CHECK_THROWS_WITH(check("YoYo/v_YoYo_g08_c02.avi\n"), has("same group"));
  CHECK_THROWS_WITH(check("YoYo/v_YoYo_g08_c01.avi\n"), has("as well"));
  CHECK_THROWS_WITH(check("YoYo/own.mp4\n"), has("as well"));
  CHECK(group_of("v_HandStandPushups_g25_c07.avi") == 25);
  for (const std::string name : {"v_YoYo_gx1_c01.avi", "YoYo_g01_c01.avi", "v_YoYo_g01_c01.mp4", "v_g01.avi", ""}) CHECK(group_of(name) == -1);
}

TEST_CASE("ucf101 lists: the official ones have the published counts") {
  const fs::path folder = shared_folder() / "data/ucf101/ucfTrainTestlist";
  if (!fs::exists(folder)) {
    std::printf("skipped: %s is not there\n", folder.c_str());
    return;
  }
  const std::pair<size_t, size_t> counts[] = {{9537, 3783}, {9586, 3734}, {9624, 3696}};
  for (int64_t split = 1; split <= 3; ++split) {
    const VideoLists lists = read_video_lists(folder, split);
    CHECK(lists.classes.size() == 101);
    CHECK(lists.train.size() == counts[split - 1].first);
    CHECK(lists.test.size() == counts[split - 1].second);
  }
}

TEST_CASE("ucf101 index: what was written is read, and anything else is refused") {
  VideoIndex index{"libavcodec 1.2.3, rules 1", {}};
  index.videos["YoYo/a.avi"] = {{12, 48, 64}, {1000, -5}};
  index.videos["YoYo/b c.avi"] = {{1, 240, 320}, {2000, 1795413670159890115}};
  const std::string text = format_video_index(index);
  const VideoIndex read = parse_video_index(text, "i");
  CHECK(format_video_index(read) == text);
  CHECK(read.find("YoYo/a.avi", {1000, -5})->frames == 12);
  CHECK_FALSE(read.find("YoYo/a.avi", {1001, -5}));
  CHECK_FALSE(read.find("YoYo/a.avi", {1000, -4}));
  CHECK_FALSE(read.find("YoYo/z.avi", {1000, -5}));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_THROWS_AS(parse_video_index(changed, "i"), DataError);
    CHECK_THROWS_AS(parse_video_index(text.substr(0, i), "i"), DataError);
  }
}

#ifdef LIERE_VIDEO
namespace {

void put(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

/// Three classes, six videos, in the layout that `below` says, with names in other capitals than the lists have.
struct Tree {
  explicit Tree(const std::string& below = "UCF-101/") : root(folder.path()) {
    videos = root / below;
    put(root / "ucfTrainTestlist/classInd.txt", "1 Hammering\r\n2 HammerThrow\r\n3 HandstandPushups\r\n");
    put(root / "ucfTrainTestlist/trainlist01.txt",
        "Hammering/v_Hammering_g08_c01.avi 1\r\nHammerThrow/v_HammerThrow_g08_c01.avi 2\r\nHandstandPushups/v_HandStandPushups_g08_c01.avi 3\r\n");
    put(root / "ucfTrainTestlist/testlist01.txt",
        "Hammering/v_Hammering_g01_c01.avi\r\nHammerThrow/v_HammerThrow_g01_c01.avi\r\nHandstandPushups/v_HandStandPushups_g01_c01.avi\r\n");
    int frames = 5;
    for (const std::string name : {"Hammering/v_Hammering", "HammerThrow/v_HammerThrow", "HandStandPushups/v_HandstandPushups"})
      for (const std::string group : {"_g08_c01.avi", "_g01_c01.avi"}) put(videos / (name + group), made_video({.frames = frames++}));
  }
  Ucf101Config config() const {
    Ucf101Config config;
    config.root = root.string();
    return config;
  }
  TemporaryFolder folder;
  fs::path root, videos;
};

std::string pixels(const Dataset& dataset, int64_t index, const Request& request = {}) {
  const Frames frames = dataset.open(index)->decode(request);
  return std::string(reinterpret_cast<const char*>(frames.u8()), frames.size_bytes());
}

}  // namespace

TEST_CASE("ucf101: every layout opens, names differ in capitals, both orders of classes") {
  const auto below = GENERATE(as<std::string>(), "UCF-101/", "videos/", "data/", "");
  const Tree tree(below);
  const auto train = make_ucf101(tree.config(), Split::kTrain), test = make_ucf101(tree.config(), Split::kTest);
  REQUIRE(train->size() == 3);
  REQUIRE(test->size() == 3);
  CHECK(train->class_names() == std::vector<std::string>{"HammerThrow", "Hammering", "HandstandPushups"});
  CHECK(train->label(0) == 1);
  CHECK(train->label(1) == 0);
  Ucf101Config official = tree.config();
  official.class_order = ClassOrder::kOfficial;
  CHECK(make_ucf101(official, Split::kTrain)->class_names() == std::vector<std::string>{"Hammering", "HammerThrow", "HandstandPushups"});
  CHECK(make_ucf101(official, Split::kTrain)->label(0) == 0);
  const auto source = test->open(2);
  CHECK(source->info().shape == FrameShape{10, 48, 64, 3});
  CHECK(source->info().label == 2);
  const Frames part = source->decode({{9, 0}, Box{1, 2, 10, 20}});
  CHECK(part.shape() == FrameShape{2, 10, 20, 3});
  CHECK(source->decode({}).shape() == FrameShape{10, 48, 64, 3});
  CHECK_THROWS_AS(source->decode({{10}, {}}), DataError);
  CHECK_THROWS_AS(source->decode({{0}, Box{40, 0, 10, 10}}), DataError);
  CHECK_THROWS_AS(train->open(3), DataError);
  CHECK_THAT(train->describe(), has("3 videos, 3 classes, not the official 9,537") && has("3 without an indexed frame count"));
  CHECK(train->verify().size() == 2);
}

TEST_CASE("ucf101: what is missing, too much or ambiguous is refused by name") {
  Tree tree;
  const auto open = [&] { make_ucf101(tree.config(), Split::kTrain); };
  SECTION("a video") {
    fs::remove(tree.videos / "Hammering/v_Hammering_g08_c01.avi");
    CHECK_THROWS_WITH(open(), has("expected 3 listed videos, found 2") && has("Hammering/v_Hammering_g08_c01.avi"));
    CHECK_NOTHROW(make_ucf101(tree.config(), Split::kTest));
  }
  SECTION("a class") {
    fs::remove_all(tree.videos / "HammerThrow");
    CHECK_THROWS_WITH(open(), has("HammerThrow/v_HammerThrow_g08_c01.avi"));
  }
  SECTION("all of them") {
    fs::remove_all(tree.videos);
    CHECK_THROWS_WITH(open(), has("was not found") && has("prepare ucf101"));
  }
  SECTION("two that differ in capitals") {
    put(tree.videos / "HandStandPushups/v_handstandpushups_g08_c01.avi", "x");
    CHECK_THROWS_WITH(open(), has("differ from it in capitals"));
  }
  SECTION("the lists") {
    fs::remove_all(tree.root / "ucfTrainTestlist");
    CHECK_THROWS_WITH(open(), has("lists were not found"));
  }
  SECTION("a class without a video") {
    std::ofstream(tree.root / "ucfTrainTestlist/classInd.txt", std::ios::app) << "4 YoYo\n";
    CHECK_THROWS_WITH(open(), has("classes without a video") && has("YoYo"));
  }
  SECTION("a folder in place of a video") {
    fs::remove(tree.videos / "Hammering/v_Hammering_g08_c01.avi");
    fs::create_directories(tree.videos / "Hammering/v_Hammering_g08_c01.avi");
    CHECK_THROWS_AS(make_ucf101(tree.config(), Split::kTrain)->open(0), DataError);
  }
}

TEST_CASE("ucf101 prepare: counts once, keeps frames without loss, does nothing twice") {
  Tree tree;
  const fs::path cache = tree.root / "cache";
  const auto plain = make_ucf101(tree.config(), Split::kTrain);
  std::vector<std::string> expected;
  for (int64_t i = 0; i < 3; ++i) expected.push_back(pixels(*plain, i));
  prepare_ucf101({.from = tree.root.string(), .cache = cache.string()});
  Ucf101Config config = tree.config();
  config.cache = cache.string();
  const auto cached = make_ucf101(config, Split::kTrain);
  CHECK_THAT(cached->describe(), has("frame counts indexed") && has("frames from"));
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(pixels(*cached, i) == expected[i]);
    CHECK(pixels(*cached, i, {{4, 0, 4}, Box{3, 3, 9, 9}}) == pixels(*plain, i, {{4, 0, 4}, Box{3, 3, 9, 9}}));
  }
  const fs::path file = cached_frames_path(cache, "UCF-101/Hammering/v_Hammering_g08_c01.avi");
  const auto written = fs::last_write_time(file);
  const std::string index = read_file(tree.root / kVideoIndexName), frames = read_file(file);
  prepare_ucf101({.from = tree.root.string(), .cache = cache.string()});
  CHECK(fs::last_write_time(file) == written);
  CHECK(read_file(tree.root / kVideoIndexName) == index);

  SECTION("damaged frames are not used, and are made new") {
    for (const size_t at : {size_t(0), size_t(20), size_t(300), frames.size() / 2, frames.size() - 1}) {
      std::string changed = frames;
      changed[at] = static_cast<char>(changed[at] ^ 64);
      put(file, changed);
      CHECK(pixels(*make_ucf101(config, Split::kTrain), 0) == expected[0]);
      put(file, frames.substr(0, at));
      CHECK(pixels(*make_ucf101(config, Split::kTrain), 0) == expected[0]);
    }
    prepare_ucf101({.from = tree.root.string(), .cache = cache.string()});
    CHECK(read_file(file) == frames);
  }
  SECTION("a damaged frame is an error for who reads it") {
    std::string changed = frames;
    changed[256 + 7] = static_cast<char>(changed[256 + 7] ^ 1);
    put(file, changed);
    const auto opened = CachedFrames::open(file, file_state(tree.videos / "Hammering/v_Hammering_g08_c01.avi"));
    REQUIRE(opened);
    CHECK_THROWS_WITH(opened->frames({0}), has("frame 0 does not have its hash"));
    CHECK(opened->frames({1}).shape().frames == 1);
  }
  SECTION("frames of another state of the video are not used") {
    const std::string other = made_video({.frames = 9, .codec = "mjpeg"});
    put(tree.videos / "Hammering/v_Hammering_g08_c01.avi", other);
    const auto changed = make_ucf101(config, Split::kTrain);
    CHECK(changed->open(0)->info().shape.frames == 9);
    CHECK(pixels(*changed, 0) != expected[0]);
    prepare_ucf101({.from = tree.root.string(), .cache = cache.string()});
    CHECK(make_ucf101(config, Split::kTrain)->open(0)->info().shape.frames == 9);
    CHECK(CachedFrames::open(file, file_state(tree.videos / "Hammering/v_Hammering_g08_c01.avi"))->shape().frames == 9);
  }
  SECTION("an index of another decoder is not used") {
    VideoIndex other = parse_video_index(index, "i");
    other.decoder = "libavcodec 0.0.1, rules 1";
    for (auto& [path, entry] : other.videos) entry.shape.frames = 999;
    put(tree.root / kVideoIndexName, format_video_index(other));
    CHECK(make_ucf101(tree.config(), Split::kTrain)->open(0)->info().shape.frames == 5);
  }
}

TEST_CASE("ucf101 prepare: bad videos are listed at the end, all others are ready") {
  Tree tree;
  const fs::path bad = tree.videos / "HammerThrow/v_HammerThrow_g08_c01.avi";
  put(bad, read_file(bad).substr(0, 3000));
  CHECK_THROWS_WITH(prepare_ucf101({.from = tree.root.string()}), has("1 of 6 videos cannot be decoded"));
  CHECK(parse_video_index(read_file(tree.root / kVideoIndexName), "i").videos.size() == 5);
  const auto train = make_ucf101(tree.config(), Split::kTrain);
  const auto found = check_pictures(*train, tree.root / "state", 2);
  REQUIRE(found.size() == 1);
  CHECK(found[0].index == 1);
  CHECK_THAT(found[0].reason, has("v_HammerThrow_g08_c01.avi") && has("ends after 3000 bytes"));
}
#endif
