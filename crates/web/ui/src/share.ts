// The share button: the device's own sheet where there is one, else a copied link.

// As long as "Link copied" takes to read.
const CONFIRMED_FOR_MS = 2000;

/** Wires the button, or leaves it hidden where neither way works. */
export function wireShare(button: Element | null, name: string): void {
  const works = typeof navigator.share === "function" || navigator.clipboard !== undefined;
  if (!(button instanceof HTMLButtonElement) || !works) {
    return;
  }
  button.hidden = false;
  button.addEventListener("click", () => void share(button, name));
}

async function share(button: HTMLButtonElement, name: string): Promise<void> {
  const url = location.origin + location.pathname;
  try {
    if (typeof navigator.share === "function") {
      await navigator.share({ title: `${name} is live`, url });
      return;
    }
    await navigator.clipboard.writeText(url);
    confirmCopied(button);
  } catch {
    // Closed by the person, or not allowed: there is nothing to tell.
  }
}

function confirmCopied(button: HTMLButtonElement): void {
  const label = button.querySelector("span");
  if (label === null) {
    return;
  }
  label.textContent = "Link copied";
  setTimeout(() => {
    label.textContent = "Share";
  }, CONFIRMED_FOR_MS);
}
