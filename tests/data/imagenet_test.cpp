// ImageNet's layouts on disk: each gives the same pictures and labels, and each mistake in them is named with its remedy.
#include "data/datasets/imagenet.h"

#include <cstdio>

#include "data/class_names.h"
#include "data/datasets/class_folders.h"
#include "data/datasets/label_files.h"
#include "data/picture_trees.h"
#include "support/fixtures.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace {

const std::vector<std::string> kClasses = {"class10", "class2", "n03"};  // plain byte order: 10 before 2

std::unique_ptr<Dataset> imagenet(const fs::path& root, Split split) {
  ImagenetConfig config;
  config.root = root.string();
  return make_imagenet(config, split);
}
std::unique_ptr<Dataset> folder(const fs::path& root, Split split) {
  FolderConfig config;
  config.root = root.string();
  return make_folder(config, split);
}
std::string imagenet_error(const fs::path& root, Split split = Split::kTest) {
  return data_error([&] { imagenet(root, split); });
}

std::vector<std::string> names(const Dataset& dataset) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < dataset.size(); ++i) result.push_back(dataset.open(i)->info().name + "=" + std::to_string(dataset.label(i)));
  return result;
}

/// Three validation pictures 1..3 without folders.
void make_flat(const fs::path& val) {
  for (int n = 1; n <= 3; ++n) put(val / ("ILSVRC2012_val_0000000" + std::to_string(n) + ".JPEG"), picture(n));
}

void make_train(const fs::path& base) {
  make_class_folders(base, kClasses);
  fs::remove_all(base / "val");
}

const std::string kCsv = "ImageId,PredictionString\nILSVRC2012_val_00000002,n03 1 2 3 4 \nILSVRC2012_val_00000001,class2 1 2 3 4 class2 5 6 7 8 \nILSVRC2012_val_00000003,class10 0 0 1 1 \n";

}  // namespace

TEST_CASE("class folders: byte order of names, labels by place, other files counted") {
  const TemporaryFolder root;
  make_class_folders(root.path(), kClasses);
  put(root.path() / "train/n03/notes.txt", "x");
  put(root.path() / "train/readme", "x");
  put(root.path() / "train/n03/deeper/a.png", picture(1));
  put(root.path() / "train/.hidden/b.jpeg", picture(1));
  const auto train = imagenet(root.path(), Split::kTrain);
  CHECK(train->class_names() == kClasses);
  CHECK(names(*train) == std::vector<std::string>{"train/class10/class10_1.JPEG=0", "train/class10/class10_2.JPEG=0", "train/class2/class2_1.JPEG=1",
                                                  "train/class2/class2_2.JPEG=1", "train/n03/deeper/a.png=2", "train/n03/n03_1.JPEG=2", "train/n03/n03_2.JPEG=2"});
  CHECK_THAT(train->describe(), has("7 pictures (not the official 1,281,167), 3 classes (not the official 1,000), class folders") && has("2 other files ignored"));
  CHECK(train->encoded());
  CHECK(train->verify().size() == 2);
  const auto val = folder(root.path(), Split::kTest);
  CHECK(val->size() == 3);
  CHECK(val->verify().empty());

  const auto source = train->open(1);  // picture(1): 9 x 10
  CHECK(source->info().shape == FrameShape{1, 9, 10, 3});
  const Frames whole = source->decode({}), part = source->decode({.box = Box{2, 3, 4, 5}});
  REQUIRE(part.shape() == FrameShape{1, 4, 5, 3});
  for (int64_t y = 0; y < 4; ++y)
    for (int64_t i = 0; i < 15; ++i) REQUIRE(int(part.u8()[y * 15 + i]) == int(whole.u8()[((y + 2) * 10 + 3) * 3 + i]));
  CHECK_THAT(data_error([&] { source->decode({.box = Box{0, 0, 99, 1}}); }), has("train/class10/class10_2.JPEG") && has("9x10"));
  CHECK_THAT(data_error([&] { train->open(7); }), has("0..6"));
}

TEST_CASE("Kaggle's layout, a flat folder with the devkit's files, and Tiny ImageNet's give the labels of their lists") {
  const TemporaryFolder kaggle, devkit, tiny;
  make_train(kaggle.path() / "ILSVRC/Data/CLS-LOC");
  make_flat(kaggle.path() / "ILSVRC/Data/CLS-LOC/val");
  std::string crlf = "\xef\xbb\xbf";
  for (const char c : kCsv) {
    if (c == '\n') crlf.push_back('\r');
    crlf.push_back(c);
  }
  for (const auto& csv : {kCsv, crlf}) {
    put(kaggle.path() / "LOC_val_solution.csv", csv);
    const auto val = imagenet(kaggle.path(), Split::kTest);
    const std::string below = "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_0000000";
    CHECK(names(*val) == std::vector<std::string>{below + "1.JPEG=1", below + "2.JPEG=2", below + "3.JPEG=0"});
    CHECK(val->class_names() == kClasses);
  }
  CHECK(imagenet(kaggle.path(), Split::kTrain)->size() == 6);

  make_train(devkit.path());
  make_flat(devkit.path() / "val");
  put(devkit.path() / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", "3\n1\n2\n");
  CHECK_THAT(imagenet_error(devkit.path()), has("expected meta.mat") && has("ILSVRC2012_classes.txt"));
  put(devkit.path() / "ILSVRC2012_devkit_t12/data/ILSVRC2012_classes.txt", "# ID WNID\n2 class10\n1 n03\n3 class2\r\n");
  CHECK(names(*imagenet(devkit.path(), Split::kTest)) ==
        std::vector<std::string>{"val/ILSVRC2012_val_00000001.JPEG=1", "val/ILSVRC2012_val_00000002.JPEG=2", "val/ILSVRC2012_val_00000003.JPEG=0"});

  for (const auto& name : kClasses) put(tiny.path() / "train" / name / "images" / (name + "_0.JPEG"), picture(0)), put(tiny.path() / "train" / name / (name + "_boxes.txt"), "x");
  for (int n = 0; n < 2; ++n) put(tiny.path() / "val/images" / ("val_" + std::to_string(n) + ".JPEG"), picture(n));
  put(tiny.path() / "val/images/val_2.JPEG", picture(2));
  put(tiny.path() / "val/val_annotations.txt", "val_0.JPEG\tn03\t0\t32\t44\t62\nval_1.JPEG\tclass2\t0\t0\t1\t1\nval_2.JPEG\tclass10\t0\t0\t1\t1\n");
  put(tiny.path() / "test/images/test_0.JPEG", picture(0));
  CHECK(names(*folder(tiny.path(), Split::kTrain))[1] == "train/class2/images/class2_0.JPEG=1");
  CHECK(names(*folder(tiny.path(), Split::kTest)) == std::vector<std::string>{"val/images/val_0.JPEG=2", "val/images/val_1.JPEG=1", "val/images/val_2.JPEG=0"});
}

TEST_CASE("what is missing, too much or twice in the folders is named") {
  const TemporaryFolder root;
  CHECK_THAT(imagenet_error(root.path() / "nowhere"), has("nowhere") && has("scripts/fetch-imagenet.sh") && has("data.root"));
  make_class_folders(root.path(), kClasses);
  const auto broken = [&](const std::string& make, Split split, const auto& matcher) {
    INFO(make);
    CHECK_THAT(imagenet_error(root.path(), split), matcher);
  };
  fs::create_directory(root.path() / "train/empty");
  broken("classes only in train", Split::kTrain, has("same classes in train/ and val/, found 4 and 3; only in train/: empty"));
  fs::create_directory(root.path() / "val/empty");
  broken("an empty class", Split::kTrain, has("found none for empty"));
  const auto extra = [&](int i) { return root.path() / "val" / std::string("x").append(std::to_string(i)); };
  for (int i = 0; i < 7; ++i) fs::create_directory(extra(i));
  broken("many only in val", Split::kTest, has("only in val/: x0, x1, x2, x3, x4 and 2 more"));
  for (int i = 0; i < 7; ++i) fs::remove(extra(i));
  fs::remove(root.path() / "val/empty"), fs::remove(root.path() / "train/empty");

  put(root.path() / "train/n03/n03_1.jpg", picture(0));
  broken("twice in a class", Split::kTrain, has("n03_1.JPEG and n03_1.jpg") && has("copy"));
  fs::remove(root.path() / "train/n03/n03_1.jpg");
  const auto val_picture = list_folder(root.path() / "val/n03", false).pictures[0];
  put(root.path() / "val/class2" / val_picture, picture(0));
  broken("twice in val", Split::kTest, has("val/class2/" + val_picture + " and val/n03/" + val_picture));
  CHECK(folder(root.path(), Split::kTest)->size() == 4);  // only ImageNet gives all its pictures names of their own
  fs::remove(root.path() / "val/class2" / val_picture);

  const auto train = imagenet(root.path(), Split::kTrain);
  fs::remove(root.path() / "train/class10/class10_2.JPEG");
  CHECK_THAT(data_error([&] { train->open(1); }), has("class10_2.JPEG") && has("No such file") && has("was there when"));
  fs::create_directory(root.path() / "train/class10/class10_2.JPEG");
  CHECK_THAT(data_error([&] { train->open(1); }), has("class10_2.JPEG") && has("Is a directory"));
  put(root.path() / "train/class2/class2_1.JPEG", "<html>sorry</html>");
  CHECK_THAT(data_error([&] { train->open(2)->info(); }), has("class2_1.JPEG"));

  fs::create_symlink("nowhere", root.path() / "train/n03/link.jpg");
  broken("a link to nothing", Split::kTrain, has("link.jpg") && has("leads nowhere"));
  fs::remove(root.path() / "train/n03/link.jpg");
  fs::create_directory_symlink(root.path() / "train/n03", root.path() / "train/n03/again");
  broken("a link that leads back", Split::kTrain, has("more than 8 folders deep"));
}

TEST_CASE("a list of labels that does not fit the pictures is refused") {
  const TemporaryFolder root;
  make_train(root.path());
  make_flat(root.path() / "val");
  CHECK_THAT(imagenet_error(root.path()), has("LOC_val_solution.csv") && has("meta.mat"));
  const auto with_csv = [&](const std::string& csv) {
    put(root.path() / "LOC_val_solution.csv", csv);
    return imagenet_error(root.path());
  };
  CHECK(with_csv(kCsv) == "no error");
  const std::string header = "ImageId,PredictionString\n", one = "ILSVRC2012_val_00000001,class2 1 2 3 4\n", two = "ILSVRC2012_val_00000002,n03 1 2 3 4\n", three = "ILSVRC2012_val_00000003,class10 1 2 3 4\n";
  CHECK(with_csv(header + one + two + three + one) == "no error");
  CHECK_THAT(with_csv(header + one + two), has("every picture") && has("ILSVRC2012_val_00000003.JPEG"));
  CHECK_THAT(with_csv(header + one + two + three + "ILSVRC2012_val_00000009,n03 1 2 3 4\n"), has("every row") && has("ILSVRC2012_val_00000009"));
  CHECK_THAT(with_csv(header + one + two + three + "ILSVRC2012_val_00000001,n03 1 2 3 4\n"), has("line 5") && has("class2 in an earlier row and n03"));
  CHECK_THAT(with_csv(header + one + two + "ILSVRC2012_val_00000003,n03 1 2 3 4 class2 1 2 3 4\n"), has("line 4") && has("one class"));
  CHECK_THAT(with_csv(header + one + two + "ILSVRC2012_val_00000003,n99 1 2 3 4\n"), has("the classes n99") && has("no folders"));
  CHECK_THAT(with_csv(header + one + two + "ILSVRC2012_val_00000003,\n"), has("line 4"));
  CHECK_THAT(with_csv(header + one + two + "ILSVRC2012_val_00000003,n03 1 2 3\n"), has("four numbers"));
  CHECK_THAT(with_csv(header + one + two + "../../val/3,n03 1 2 3 4\n"), has("line 4") && has("validation folder"));
  CHECK_THAT(with_csv(header + one + two + "ILSVRC2012_val_00000003,../n03 1 2 3 4\n"), has("line 4") && has("../n03"));
  CHECK_THAT(with_csv("Id,Label\n" + one), has("line 1") && has("ImageId,PredictionString"));
  CHECK_THAT(with_csv(""), has("line 1"));
  put(root.path() / "val/ILSVRC2012_val_00000001.jpg", picture(1));
  CHECK_THAT(with_csv(kCsv), has("ILSVRC2012_val_00000001 twice"));
}

TEST_CASE("ground truth: a label out of range, a word, a blank line in between") {
  CHECK(parse_ground_truth("2\r\n1\r\n", 2, "t") == std::vector<int64_t>{2, 1});
  CHECK_THAT(data_error([] { parse_ground_truth("1\n3\n", 2, "t"); }), has("t, line 2") && has("1..2") && has("\"3\""));
  CHECK_THAT(data_error([] { parse_ground_truth("0\n", 2, "t"); }), has("line 1"));
  CHECK_THAT(data_error([] { parse_ground_truth("1x\n", 2, "t"); }), has("line 1"));
  CHECK_THAT(data_error([] { parse_ground_truth("1\n\n2\n", 2, "t"); }), has("line 3") && has("blank"));
}

TEST_CASE("classes other than a model was trained on are refused with the first that differs") {
  CHECK(data_error([] { require_same_classes({"a", "b"}, "last", {"a", "b"}, "set"); }) == "no error");
  CHECK_THAT(data_error([] { require_same_classes({"a", "b"}, "last", {"a", "c"}, "set"); }), has("class 1, \"b\" in the checkpoint and \"c\" in the data"));
  CHECK_THAT(data_error([] { require_same_classes({"a", "b"}, "last", {"a"}, "set"); }), has("the 2 classes that last was trained on, found 1") && has("none in the data"));
  CHECK_THAT(data_error([] { require_same_classes({"b", "a"}, "last", {"a", "b"}, "set"); }), has("class 0"));
}

TEST_CASE("tiny pictures of ImageNet where they are: 20 classes, all decode") {
  const auto root = shared_folder() / "data/imagenet/tiny";
  if (!fs::exists(root)) {
    std::printf("skipped: %s is not there\n", root.c_str());
    return;
  }
  const auto train = folder(root, Split::kTrain), val = folder(root, Split::kTest);
  CHECK(train->size() == 2000);
  CHECK(val->size() == 500);
  CHECK(val->class_names().size() == 20);
  CHECK(val->class_names() == train->class_names());
  for (int64_t i = 0; i < val->size(); i += 25) REQUIRE(val->open(i)->decode({}).shape() == FrameShape{1, 64, 64, 3});
}
