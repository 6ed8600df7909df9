"""Labelled pictures, one by one, whatever form they lie in: COCO folders, videos with MOT truth, the CAVIAR clips.

Every reader looks at its truth when it is called and at its pictures when they are taken, and can be gone through
again. What is wrong with a set is an ArtifactError that names the file and the place.
"""

from models.sets.caviar import caviar_clips
from models.sets.coco import coco_folder
from models.sets.mot import mot_video
from models.sets.shot import Shot, Shots

__all__ = ["Shot", "Shots", "caviar_clips", "coco_folder", "mot_video"]
