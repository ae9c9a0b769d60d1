// make_ucf101 FOLDER: a small UCF101 - two classes, four videos - as UCF101.rar (a tar: the form is told by its content) and the zip of the lists, in
// FOLDER. Prints "no video" and makes nothing in a build without video or libarchive.
#include <cstdio>

#if defined(LIERE_VIDEO) && defined(LIERE_ARCHIVE)
#include "data/made_archives.h"
#include "data/made_videos.h"

using namespace liere::test;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  std::vector<ArchiveMember> videos;
  for (const std::string name : {"YoYo/v_YoYo_g08_c01.avi", "YoYo/v_YoYo_g01_c01.avi", "Rowing/v_Rowing_g08_c01.avi", "Rowing/v_Rowing_g01_c01.avi"})
    videos.push_back({"UCF-101/" + name, made_video({.frames = 9 + static_cast<int>(videos.size())})});
  make_archive(folder + "/UCF101.rar", "tar", videos);
  make_archive(folder + "/UCF101TrainTestSplits-RecognitionTask.zip", "zip",
               {{"ucfTrainTestlist/classInd.txt", "1 Rowing\r\n2 YoYo\r\n"},
                {"ucfTrainTestlist/trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi 2\r\nRowing/v_Rowing_g08_c01.avi 1\r\n"},
                {"ucfTrainTestlist/testlist01.txt", "YoYo/v_YoYo_g01_c01.avi\r\nRowing/v_Rowing_g01_c01.avi\r\n"}});
}
#else
int main() { std::puts("no video"); }
#endif
