"""DOOR: our pages for members, rendered on the server and made quicker by a little TypeScript."""
