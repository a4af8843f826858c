from google.colab import drive

drive.mount("/content/drive")
print(open("/content/drive/MyDrive/stars.csv").read())
