print("this line is never reached")
