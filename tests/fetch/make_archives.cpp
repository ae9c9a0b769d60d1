// make_archives FOLDER: small archives of ImageNet, and the tree of a Tiny ImageNet of two classes (4 training and 2 validation pictures), in FOLDER.
#include "data/archives.h"

using namespace liere::test;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const fs::path folder = argv[1], tiny = folder / "tiny-imagenet-200";
  make_archives(folder, 40);
  for (const std::string name : {"n01", "n02"})
    for (int i = 0; i < 2; ++i) put(tiny / "train" / name / "images" / (name + "_" + std::to_string(i) + ".JPEG"), picture(i));
  for (int i = 0; i < 2; ++i) put(tiny / "val/images" / std::string("val_").append(std::to_string(i)).append(".JPEG"), picture(i));
  put(tiny / "val/val_annotations.txt", "val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n");
}
