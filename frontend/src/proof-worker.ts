// Looks for the number that a challenge asks for (ALTCHA, version 1), off the page's own thread.
type Challenge = { algorithm: string; challenge: string; maxNumber: number; salt: string; signature: string };

const encoder = new TextEncoder();

async function hashed(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

addEventListener("message", async (event: MessageEvent<Challenge>) => {
  const { algorithm, challenge, maxNumber, salt, signature } = event.data;
  const salted = salt.endsWith("&") ? salt : `${salt}&`;
  for (let number = 0; number <= maxNumber; number++) {
    if ((await hashed(salted + number)) === challenge) {
      postMessage(btoa(JSON.stringify({ algorithm, challenge, number, salt, signature })));
      return;
    }
  }
  postMessage("");
});
