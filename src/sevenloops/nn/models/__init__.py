"""Networks that are known by a name."""

from sevenloops.nn.models.lenet import LeNet5
from sevenloops.nn.models.mobilenet import MobileNetV2
from sevenloops.nn.models.resnet import ResNet, ResNet18, ResNet50
from sevenloops.nn.models.vgg import VGG16, vgg16_features

__all__ = ["VGG16", "LeNet5", "MobileNetV2", "ResNet", "ResNet18", "ResNet50", "vgg16_features"]
